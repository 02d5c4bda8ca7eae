"""The chain: contracts compiled and deployed, the embedded node, contract clients, the event feed."""
