"""needs, consequences, and what jobs say of where they come from"""

import sqlalchemy as sa
from alembic import op

revision = 'c41f0a7d2b63'
down_revision = '5d90a3c7e614'
branch_labels = None
depends_on = None

_DEADLINE = "status IN ('queued', 'waiting') AND deadline IS NOT NULL"
_DEADLINE_BEFORE = "status = 'queued' AND deadline IS NOT NULL"


def upgrade() -> None:
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.add_column(sa.Column('lineage', sa.JSON(), server_default='{}', nullable=False))
        batch_op.add_column(sa.Column('needs', sa.JSON(), server_default='[]', nullable=False))
        batch_op.add_column(sa.Column('cache_key', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('consequential', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('cached', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('context', sa.JSON(none_as_null=True), nullable=True))
        batch_op.drop_index('ix_jobs_deadline')
    _index('ix_jobs_deadline', 'deadline', _DEADLINE)
    _index('ix_jobs_waiting', 'id', "status = 'waiting'")
    op.create_table(
        'needs',
        sa.Column('need_id', sa.String(length=36), nullable=False),
        sa.Column('job_id', sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_needs_job_id_jobs'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('need_id', 'job_id', name=op.f('pk_needs')),
    )
    op.create_index(op.f('ix_needs_job_id'), 'needs', ['job_id'])
    op.create_table(
        'consequences',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('subject', sa.String(length=36), nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('fault', sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_consequences')),
        sqlite_autoincrement=True,
    )
    where = sa.text('fault IS NULL')
    op.create_index('ix_consequences_open', 'consequences', ['id'], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_table('consequences')
    op.drop_table('needs')
    op.drop_index('ix_jobs_waiting', 'jobs')
    op.drop_index('ix_jobs_deadline', 'jobs')
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        for name in ('context', 'cached', 'consequential', 'cache_key', 'needs', 'lineage'):
            batch_op.drop_column(name)
    _index('ix_jobs_deadline', 'deadline', _DEADLINE_BEFORE)


def _index(name: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, 'jobs', [column], sqlite_where=condition, postgresql_where=condition)
