"""files and batches"""

import sqlalchemy as sa
from alembic import op
import storage.engine

revision = '5b9e2c7d41f6'
down_revision = 'e83b5c1d9a40'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('files',
    sa.Column('id', sa.String(length=48), nullable=False),
    sa.Column('tenant', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=32), nullable=False),
    sa.Column('filename', sa.String(length=255), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('created_at', storage.engine.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', storage.engine.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_files'))
    )
    with op.batch_alter_table('files', schema=None) as batch_op:
        batch_op.create_index('ix_files_expires', ['expires_at'], unique=False, sqlite_where=sa.text('expires_at IS NOT NULL'), postgresql_where=sa.text('expires_at IS NOT NULL'))
        batch_op.create_index('ix_files_tenant_id', ['tenant', 'id'], unique=False)
        batch_op.create_index('ix_files_tenant_purpose_id', ['tenant', 'purpose', 'id'], unique=False)

    op.create_table('batches',
    sa.Column('id', sa.String(length=48), nullable=False),
    sa.Column('tenant', sa.String(length=64), nullable=False),
    sa.Column('endpoint', sa.String(length=64), nullable=False),
    sa.Column('input_file_id', sa.String(length=48), nullable=False),
    sa.Column('completion_window', sa.String(length=16), nullable=False),
    sa.Column('metadata', sa.JSON(), nullable=False),
    sa.Column('keep_s', sa.Integer(), nullable=True),
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('idempotency_key', sa.String(length=255), nullable=True),
    sa.Column('body_hash', sa.String(length=64), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('ending', sa.String(length=16), nullable=True),
    sa.Column('errors', sa.JSON(), nullable=False),
    sa.Column('total', sa.Integer(), nullable=False),
    sa.Column('completed', sa.Integer(), nullable=False),
    sa.Column('failed', sa.Integer(), nullable=False),
    sa.Column('outstanding', sa.Integer(), nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('output_file_id', sa.String(length=48), nullable=True),
    sa.Column('error_file_id', sa.String(length=48), nullable=True),
    sa.Column('fence', sa.BigInteger(), nullable=False),
    sa.Column('lease_until', storage.engine.UtcDateTime(timezone=True), nullable=True),
    sa.Column('due_at', storage.engine.UtcDateTime(timezone=True), nullable=True),
    sa.Column('pause_s', sa.Float(), nullable=False),
    sa.Column('created_at', storage.engine.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', storage.engine.UtcDateTime(timezone=True), nullable=False),
    sa.Column('in_progress_at', storage.engine.UtcDateTime(timezone=True), nullable=True),
    sa.Column('finalizing_at', storage.engine.UtcDateTime(timezone=True), nullable=True),
    sa.Column('cancelling_at', storage.engine.UtcDateTime(timezone=True), nullable=True),
    sa.Column('finished_at', storage.engine.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_batches'))
    )
    with op.batch_alter_table('batches', schema=None) as batch_op:
        batch_op.create_index('ix_batches_due', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_batches_finished', ['finished_at'], unique=False, sqlite_where=sa.text('finished_at IS NOT NULL'), postgresql_where=sa.text('finished_at IS NOT NULL'))
        batch_op.create_index('ix_batches_input', ['input_file_id'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_batches_tenant_body', ['tenant', 'body_hash'], unique=False)
        batch_op.create_index('ix_batches_tenant_id', ['tenant', 'id'], unique=False)
        batch_op.create_index('uq_batches_key', ['tenant', 'idempotency_key'], unique=True, sqlite_where=sa.text('idempotency_key IS NOT NULL'), postgresql_where=sa.text('idempotency_key IS NOT NULL'))

    op.create_table('batch_lines',
    sa.Column('batch_id', sa.String(length=48), nullable=False),
    sa.Column('line', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('custom_id', sa.String(length=255), nullable=True),
    sa.Column('job_id', sa.String(length=36), nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('error', sa.JSON(none_as_null=True), nullable=True),
    sa.ForeignKeyConstraint(['batch_id'], ['batches.id'], name=op.f('fk_batch_lines_batch_id_batches'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('batch_id', 'line', name=op.f('pk_batch_lines'))
    )
    with op.batch_alter_table('batch_lines', schema=None) as batch_op:
        batch_op.create_index('ix_batch_lines_open', ['batch_id', 'line'], unique=False, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))


def downgrade() -> None:
    op.drop_table('batch_lines')
    op.drop_table('batches')
    op.drop_table('files')
