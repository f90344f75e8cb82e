@rem Lets "npm start", which replaces its shell with "exec" on other systems, work on Windows.
@%*
