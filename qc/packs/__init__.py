"""Rule packs: the model, loading with every problem at once, the flattened form that the store keeps, and trust."""
