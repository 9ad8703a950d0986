-- The days that a booking can have, whoever booked: a calendar cut to the facts would tell every
-- tenant how far those of the others reach.
with bounds as (
    select
        cast('1900-01-01' as date) as first_day,
        cast('2200-12-31' as date) as last_day
)

select spine.date
from ({{ day_spine('bounds') }}) as spine
order by spine.date
