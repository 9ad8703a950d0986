"""What banks call the state of a booking."""

from __future__ import annotations

from backend.imports.contents import BadValue
from backend.imports.words import plain_words

_WORDS = {
    "paid": (
        "paid, completed, complete, booked, posted, settled, cleared, executed, processed, "
        "captured, approved, accepted, success, successful, succeeded, done, ok, closed, final, "
        "reconciled, gebucht, verbucht, ausgefuehrt, abgeschlossen, erledigt, bezahlt, "
        "comptabilise, effectue, execute, termine, paye, valide, contabilizado, completado, "
        "ejecutado, pagado, contabilizzato, eseguito, completato, pagato, verwerkt, geboekt, "
        "betaald, voltooid"
    ),
    "pending": (
        "pending, vorgemerkt, offen, ausstehend, authorised, authorized, authorisation, "
        "authorization, processing, in progress, scheduled, en attente, en cours, pendiente, "
        "in sospeso, in attesa, open, reserved, reserviert, hold, on hold, gereserveerd"
    ),
    "cancelled": (
        "cancelled, canceled, reversed, reverted, declined, failed, rejected, void, voided, "
        "expired, returned, denied, storniert, abgelehnt, fehlgeschlagen, zurueckgewiesen, annule, "
        "refuse, rejete, echoue, cancelado, anulado, rechazado, fallido, annullato, rifiutato, "
        "geannuleerd, geweigerd"
    ),
    "refunded": "refunded, rueckerstattet, erstattet, rembourse, reembolsado, rimborsato",
}
_STATUS_OF = {word: status for status, words in _WORDS.items() for word in words.split(", ")}


def parse_status(text: str) -> str:
    """The status of the ledger that the word stands for; raises BadValue."""
    try:
        return _STATUS_OF[plain_words(text)]
    except KeyError:
        raise BadValue(
            "Not a known status. Leave `status` out of the mapping to book every row as paid."
        ) from None
