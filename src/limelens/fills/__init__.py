"""What hidden pixels become."""
