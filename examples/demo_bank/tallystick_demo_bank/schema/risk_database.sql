CREATE TABLE IF NOT EXISTS obligors (
  customer_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  sector TEXT NOT NULL,
  country TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ratings (
  customer_id TEXT PRIMARY KEY REFERENCES obligors (customer_id),
  grade TEXT NOT NULL CHECK (grade IN ('AAA', 'AA', 'A', 'BBB', 'BB', 'B', 'CCC', 'D')),
  outlook TEXT NOT NULL CHECK (outlook IN ('positive', 'stable', 'negative')),
  default_probability_bp INTEGER NOT NULL CHECK (default_probability_bp BETWEEN 1 AND 10000),
  rated_on TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS exposures (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id TEXT NOT NULL REFERENCES obligors (customer_id),
  product TEXT NOT NULL CHECK (product IN ('term_loan', 'revolving_credit', 'guarantee', 'mortgage', 'interest_rate_swap')),
  exposure_at_default_minor INTEGER NOT NULL CHECK (exposure_at_default_minor >= 0),
  collateral_minor INTEGER NOT NULL CHECK (collateral_minor >= 0),
  loss_given_default_bp INTEGER NOT NULL CHECK (loss_given_default_bp BETWEEN 0 AND 10000)
);
CREATE TABLE IF NOT EXISTS limits (
  limit_id TEXT PRIMARY KEY CHECK (limit_id GLOB 'LIM-[0-9][0-9][0-9][0-9]'),
  kind TEXT NOT NULL CHECK (kind IN ('single_name', 'sector', 'country')),
  scope TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
  UNIQUE (kind, scope)
);
CREATE TABLE IF NOT EXISTS limit_changes (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  limit_id TEXT NOT NULL REFERENCES limits (limit_id),
  before_minor INTEGER NOT NULL,
  after_minor INTEGER NOT NULL,
  justification TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS overrides (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id TEXT NOT NULL REFERENCES obligors (customer_id),
  grade_before TEXT NOT NULL,
  grade_after TEXT NOT NULL,
  justification TEXT NOT NULL
);
-- Utilisation is what the cache says: rebuild_exposure_cache replaces it in one transaction.
CREATE TABLE IF NOT EXISTS exposure_cache (customer_id TEXT PRIMARY KEY REFERENCES obligors (customer_id), total_minor INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('stress_test', 'exposure_cache')),
  parameters TEXT NOT NULL,
  steps_done INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL CHECK (status IN ('running', 'completed', 'cancelled'))   -- 'running' after a restart: killed
);
CREATE VIEW IF NOT EXISTS utilisation AS
  SELECT l.limit_id, l.kind, l.scope, l.amount_minor,
         (SELECT COALESCE(SUM(c.total_minor), 0) FROM exposure_cache c JOIN obligors o USING (customer_id)
           WHERE l.scope = CASE l.kind WHEN 'single_name' THEN o.customer_id WHEN 'sector' THEN o.sector ELSE o.country END) AS used_minor
  FROM limits l;
