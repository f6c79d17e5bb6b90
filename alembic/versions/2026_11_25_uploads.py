"""uploads, and which jobs use them"""

import sqlalchemy as sa
from alembic import op

from storage.engine import UtcDateTime

revision = '7e2b94d05c1a'
down_revision = 'e7b3f09a52d8'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'uploads',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('tenant', sa.String(length=64), nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('filename', sa.String(length=255), nullable=True),
        sa.Column('url', sa.Text(), nullable=True),
        sa.Column('host', sa.String(length=255), nullable=False),
        sa.Column('key', sa.String(length=80), nullable=True),
        sa.Column('sha256', sa.String(length=64), nullable=True),
        sa.Column('bytes', sa.BigInteger(), nullable=True),
        sa.Column('media_type', sa.String(length=64), nullable=True),
        sa.Column('width', sa.Integer(), nullable=True),
        sa.Column('height', sa.Integer(), nullable=True),
        sa.Column('error', sa.Text(), nullable=True),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('fence', sa.BigInteger(), nullable=False),
        sa.Column('lease_until', UtcDateTime(timezone=True), nullable=True),
        sa.Column('next_try_at', UtcDateTime(timezone=True), nullable=True),
        sa.Column('created_at', UtcDateTime(timezone=True), nullable=False),
        sa.Column('expires_at', UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_uploads')),
    )
    op.create_index(op.f('ix_uploads_key'), 'uploads', ['key'])
    op.create_index('ix_uploads_tenant_id', 'uploads', ['tenant', 'id'])
    _partial('ix_uploads_due', ['next_try_at'], "status = 'pending'")
    _partial('ix_uploads_wanted', ['tenant', 'url'], "status = 'pending'")
    _partial('ix_uploads_expiry', ['expires_at'], 'expires_at IS NOT NULL')
    op.create_table(
        'upload_uses',
        sa.Column('upload_id', sa.String(length=36), nullable=False),
        sa.Column('job_id', sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ['upload_id'], ['uploads.id'], name=op.f('fk_upload_uses_upload_id_uploads'), ondelete='CASCADE'
        ),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_upload_uses_job_id_jobs'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('upload_id', 'job_id', name=op.f('pk_upload_uses')),
    )
    op.create_index(op.f('ix_upload_uses_job_id'), 'upload_uses', ['job_id'])


def downgrade() -> None:
    op.drop_table('upload_uses')
    op.drop_table('uploads')


def _partial(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, 'uploads', columns, sqlite_where=where, postgresql_where=where)
