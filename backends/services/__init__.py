"""What runs beside a device: the supervisor of one model server, and the servers of our own that it runs."""
