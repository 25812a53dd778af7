"""The life of servers: started, looked at, kept up, stopped, started with the machine."""
