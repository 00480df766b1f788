"""What a terminal shows, kept up with a program's output. Bytes in, a screen out; no I/O."""
