"""The platform's HTTP face: one URL for programs, and a console for people."""
