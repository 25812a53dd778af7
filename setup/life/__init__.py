"""The life of servers: started, looked at, kept up, stopped, updated, started with the machine."""
