"""What runs inside the machine, as the service's account: each module prints its times as JSON."""
