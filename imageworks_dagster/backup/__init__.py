"""All that a home keeps, in one archive; and a home made of one."""
