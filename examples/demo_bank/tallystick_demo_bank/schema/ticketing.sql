CREATE TABLE IF NOT EXISTS tickets (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
  body TEXT NOT NULL,
  queue TEXT NOT NULL CHECK (queue IN ('payments', 'credit', 'onboarding', 'fraud', 'it')),
  priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
  status TEXT NOT NULL CHECK (status IN ('open', 'in_progress', 'closed')),
  assignee TEXT,
  resolution TEXT,
  CHECK ((status = 'closed') = (resolution IS NOT NULL))
);
CREATE TABLE IF NOT EXISTS comments (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  ticket INTEGER NOT NULL REFERENCES tickets (number) ON DELETE CASCADE,
  author TEXT NOT NULL,
  body TEXT NOT NULL CHECK (length(body) BETWEEN 1 AND 4000)
);
