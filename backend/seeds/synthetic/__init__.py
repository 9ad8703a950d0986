from backend.seeds.synthetic.seed import seed_synthetic

__all__ = ["seed_synthetic"]
