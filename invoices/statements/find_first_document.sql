-- The instant of the customer's first document since the end of its last statement; null if there is none.
SELECT least(
       (SELECT min(sealed_in_id) FROM invoices_hourlybill
         WHERE customer_id = %(customer)s AND sealed_in_id >= coalesce(%(since)s, '-infinity'::timestamptz)),
       (SELECT min(purchase.bought_at)
          FROM invoices_packagepurchase AS purchase
          JOIN pricing_quotapackage AS package ON package.id = purchase.package_id
         WHERE package.customer_id = %(customer)s
           AND purchase.bought_at >= coalesce(%(since)s, '-infinity'::timestamptz)),
       (SELECT min(credit.sealed_in_id)
          FROM invoices_packagecredit AS credit
          JOIN pricing_quotapackage AS package ON package.id = credit.package_id
         WHERE package.customer_id = %(customer)s
           AND credit.sealed_in_id >= coalesce(%(since)s, '-infinity'::timestamptz)),
       (SELECT min(decided_at) FROM invoices_adjustment
         WHERE customer_id = %(customer)s AND decision = 'approved'
           AND decided_at >= coalesce(%(since)s, '-infinity'::timestamptz)))
