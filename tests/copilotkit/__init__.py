"""One conversation through CopilotKit itself, outside of the suite: its packages take 300 MB."""
