"""What a search believes of members it has not trained: accuracy with its uncertainty, cost before it is measured."""
