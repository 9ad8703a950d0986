from backend.seeds.birmingham.seed import ORGANIZATION_ID, seed_birmingham

__all__ = ["ORGANIZATION_ID", "seed_birmingham"]
