"""What is kept, and where: settings, the home folder, the state database, atomic publishing."""
