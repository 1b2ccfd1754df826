"""The console: pages for people, made here and sent whole."""
