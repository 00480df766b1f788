# bash completion for artac: asks artac itself, and evaluates nothing of what it answers.

_artac() {
	local word value typed joined= directories= files= IFS=$' \t\n'
	local -a words=()
	COMPREPLY=()
	# Readline breaks words at "=", artac does not.
	for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
		if [[ ${#words[@]} -gt 0 && ($word == "=" || -n $joined) ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
		joined=
		[[ $word != "=" ]] || joined=yes
	done
	typed=${words[-1]-}
	local inside=
	[[ $typed != *=* || $COMP_WORDBREAKS != *=* ]] || inside=${typed%"${typed##*=}"}

	while IFS=$'\t' read -r value _; do
		case $value in
		:directory) directories=yes ;;
		:file) files=yes ;;
		*) COMPREPLY+=("${value#"$inside"}") ;;
		esac
	done < <(command artac __complete "${words[@]}" 2>/dev/null)

	if [[ -n $directories || -n $files ]]; then
		local path=$typed how=-f
		[[ $typed != --*=* ]] || path=${typed#*=}
		[[ -z $directories ]] || how=-d
		while IFS= read -r value; do
			COMPREPLY+=("$value")
		done < <(compgen "$how" -- "$path")
		compopt -o filenames 2>/dev/null
	elif [[ ${COMPREPLY[*]-} == *= ]]; then
		compopt -o nospace 2>/dev/null
	fi
}

complete -F _artac artac
