"""The layered JSON registry of the proxy-orchestrated ImageWorks, read into the user's layer of ours."""
