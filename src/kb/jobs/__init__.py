"""Work asked for over HTTP: a queue that outlives the server, uploaded files, and one process that works it off."""
