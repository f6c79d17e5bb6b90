"""the result cache, and twins"""

import sqlalchemy as sa
from alembic import op

revision = 'e83b5c1d9a40'
down_revision = 'c41f0a7d2b63'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'results',
        sa.Column('tenant', sa.String(length=64), nullable=False),
        sa.Column('cache_key', sa.String(length=64), nullable=False),
        sa.Column('job_id', sa.String(length=36), nullable=False),
        sa.Column('bytes', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_results_job_id_jobs'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('tenant', 'cache_key', name=op.f('pk_results')),
    )
    op.create_index(op.f('ix_results_created_at'), 'results', ['created_at'])
    op.create_index(op.f('ix_results_job_id'), 'results', ['job_id'], unique=True)
    op.create_index('ix_results_last_used_at', 'results', ['last_used_at', 'bytes'])
    op.create_table(
        'twins',
        sa.Column('job_id', sa.String(length=36), nullable=False),
        sa.Column('maker_id', sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_twins_job_id_jobs'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('job_id', name=op.f('pk_twins')),
    )
    op.create_index(op.f('ix_twins_maker_id'), 'twins', ['maker_id'])


def downgrade() -> None:
    op.drop_table('twins')
    op.drop_table('results')
