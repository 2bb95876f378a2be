"""Connected accounts at other sites."""
