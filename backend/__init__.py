"""The service: the API, the database, the controller and the command line. Of the worker it knows only the contract."""
