"""What came of prompt tests, for people and for other programs: a table, JUnit XML, JSON, one HTML page."""
