"""What is spoken about. Pure: no I/O, no clock."""
