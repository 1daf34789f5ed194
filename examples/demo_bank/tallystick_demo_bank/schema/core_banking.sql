CREATE TABLE IF NOT EXISTS bank_day (today TEXT NOT NULL);     -- the bank's booking day: fixed, so that runs repeat exactly

CREATE TABLE IF NOT EXISTS customers (
  customer_id TEXT PRIMARY KEY CHECK (customer_id GLOB 'CUS-[0-9][0-9][0-9][0-9]'),
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('natural_person', 'sole_trader', 'partnership', 'limited_company', 'public_company',
                                     'foundation', 'public_body')),
  country TEXT NOT NULL CHECK (length(country) = 2),
  lei TEXT UNIQUE CHECK (length(lei) = 20),
  email TEXT NOT NULL,
  street TEXT NOT NULL,
  postal_code TEXT NOT NULL,
  city TEXT NOT NULL,
  customer_since TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS accounts (
  account_id TEXT PRIMARY KEY CHECK (account_id GLOB 'ACC-[0-9][0-9][0-9][0-9]'),
  customer_id TEXT NOT NULL REFERENCES customers (customer_id),
  iban TEXT NOT NULL UNIQUE,
  product TEXT NOT NULL CHECK (product IN ('current', 'savings', 'foreign_currency', 'escrow')),
  currency TEXT NOT NULL CHECK (currency IN ('EUR', 'USD', 'GBP', 'CHF')),
  status TEXT NOT NULL CHECK (status IN ('open', 'frozen', 'closed')),
  opened_on TEXT NOT NULL,
  overdraft_minor INTEGER NOT NULL DEFAULT 0 CHECK (overdraft_minor >= 0),
  balance_minor INTEGER NOT NULL DEFAULT 0,
  CHECK (balance_minor >= -overdraft_minor),
  CHECK (status <> 'closed' OR balance_minor = 0)
);

CREATE TABLE IF NOT EXISTS payments (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  from_account TEXT NOT NULL REFERENCES accounts (account_id),
  to_account TEXT NOT NULL REFERENCES accounts (account_id),
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
  currency TEXT NOT NULL,
  reference TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('draft', 'executed', 'cancelled')),
  idempotency_key TEXT UNIQUE,
  CHECK (from_account <> to_account)
);

CREATE TABLE IF NOT EXISTS transactions (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id TEXT NOT NULL REFERENCES accounts (account_id),
  booked_on TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor <> 0),     -- positive: credit, negative: debit
  balance_after_minor INTEGER NOT NULL,
  counterparty TEXT NOT NULL,
  reference TEXT NOT NULL,
  payment INTEGER REFERENCES payments (number)
);
CREATE INDEX IF NOT EXISTS transactions_by_account ON transactions (account_id, booked_on, number);
CREATE TRIGGER IF NOT EXISTS bookings_keep BEFORE UPDATE ON transactions BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS bookings_stay BEFORE DELETE ON transactions BEGIN SELECT RAISE(ABORT, 'append-only'); END;
