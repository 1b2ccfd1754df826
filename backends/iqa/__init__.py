"""Image quality by NIMA and MUSIQ: their weights, their pictures, their scores."""
