"""aliases, comparisons of shadows, versions in the feed"""

import sqlalchemy as sa
from alembic import op

revision = 'd7a2f9c04b18'
down_revision = 'ff83c22d3ef7'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'aliases',
        sa.Column('tenant', sa.String(length=64), nullable=False),
        sa.Column('name', sa.String(length=64), nullable=False),
        sa.Column('revision', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('targets', sa.JSON(), nullable=False),
        sa.Column('shadows', sa.JSON(), nullable=False),
        sa.Column('restores', sa.Integer(), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('in_force', sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint('tenant', 'name', 'revision', name=op.f('pk_aliases')),
    )
    where = sa.text('in_force')
    op.create_index(
        'uq_aliases_in_force', 'aliases', ['tenant', 'name'], unique=True, sqlite_where=where, postgresql_where=where
    )
    op.create_table(
        'comparisons',
        sa.Column('tenant', sa.String(length=64), nullable=False),
        sa.Column('alias', sa.String(length=64), nullable=False),
        sa.Column('model', sa.String(length=193), nullable=False),
        sa.Column('compared', sa.Integer(), server_default='0', nullable=False),
        sa.Column('failed', sa.Integer(), server_default='0', nullable=False),
        sa.Column('equal', sa.Integer(), server_default='0', nullable=False),
        sa.Column('shadow_run_s', sa.Float(), server_default='0', nullable=False),
        sa.Column('run_s', sa.Float(), server_default='0', nullable=False),
        sa.PrimaryKeyConstraint('tenant', 'alias', 'model', name=op.f('pk_comparisons')),
    )
    with op.batch_alter_table('changes', schema=None) as batch_op:
        batch_op.add_column(sa.Column('version', sa.String(length=64), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('changes', schema=None) as batch_op:
        batch_op.drop_column('version')
    op.drop_table('comparisons')
    op.drop_table('aliases')
