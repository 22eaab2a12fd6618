-- Run on a worker: the settings with which a commit could be lost, or none could be prepared.
SELECT coalesce(string_agg(name || ' is ' || setting, ', '), '')
  FROM pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting IN ('off', 'local')
    OR name = 'max_prepared_transactions' AND setting = '0'
