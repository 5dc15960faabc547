"""How bytes go to an upstream and come back: HTTP/1.1 and HTTP/2 connections, pooled by origin."""
