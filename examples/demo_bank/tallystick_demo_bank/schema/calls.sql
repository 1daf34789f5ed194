-- What reached this server. No times: a test compares sequences, and a run repeats exactly.
CREATE TABLE IF NOT EXISTS calls (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  tool TEXT NOT NULL,
  headers TEXT NOT NULL,                                       -- JSON list of header names; [] over stdio
  authorization_present INTEGER NOT NULL CHECK (authorization_present IN (0, 1))
);
CREATE TABLE IF NOT EXISTS call_endings (
  call INTEGER PRIMARY KEY REFERENCES calls (sequence),
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'tool_error', 'cancelled', 'failed'))
);
-- One row per HTTP request of any kind that carried a credential. It must stay empty behind a control plane.
CREATE TABLE IF NOT EXISTS stray_credentials (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  http_method TEXT NOT NULL,
  header TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS calls_keep BEFORE UPDATE ON calls BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS calls_stay BEFORE DELETE ON calls BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS endings_keep BEFORE UPDATE ON call_endings BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS endings_stay BEFORE DELETE ON call_endings BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS strays_keep BEFORE UPDATE ON stray_credentials BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS strays_stay BEFORE DELETE ON stray_credentials BEGIN SELECT RAISE(ABORT, 'append-only'); END;
