"""Make the tables of clinics, patients and data keys.

Alembic generated it; the types of other databases than PostgreSQL were taken out. To the database protected columns are
binary.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "clinics",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "fieldcrypt_data_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
        if_not_exists=True,
    )
    op.create_index(
        op.f("ix_fieldcrypt_data_keys_tenant"), "fieldcrypt_data_keys", ["tenant"], unique=False, if_not_exists=True
    )
    op.create_table(
        "fieldcrypt_data_keys_claims",
        sa.Column("first_key_of", sa.String(length=32), nullable=False),
        sa.Column("claim", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("first_key_of"),
        if_not_exists=True,
    )
    op.create_table(
        "patients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("clinic_id", sa.String(length=40), nullable=False),
        sa.Column("ward", sa.String(length=40), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("ssn", sa.LargeBinary(), nullable=False),
        sa.Column("born", sa.LargeBinary(), nullable=True),
        sa.Column("email", sa.LargeBinary(), nullable=False),
        sa.Column("email_tag", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("clinic_id", "email_tag"),
    )
    op.create_index(op.f("ix_patients_email_tag"), "patients", ["email_tag"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_patients_email_tag"), table_name="patients")
    op.drop_table("patients")
    # The tables of data keys stay: without them nothing that is encrypted can be read.
    op.drop_table("clinics")
