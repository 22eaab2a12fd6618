(SELECT id FROM accounts_auditentry, ($earlier_snapshot) AS earlier WHERE $is_unseen)
