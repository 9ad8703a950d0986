from backend.seeds.household.seed import ORGANIZATION_ID, seed_household

__all__ = ["ORGANIZATION_ID", "seed_household"]
