"""One model server at a time as a child process: started, watched, asked through, and ended with all its processes."""
