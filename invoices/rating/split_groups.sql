, split AS (
    SELECT segments.place, segments.package_id, segments.method, count(*) AS records, $sums_of_record
$records_of_segments
       AND (segments.after IS NOT NULL OR segments.upto IS NOT NULL)
     GROUP BY segments.place, segments.package_id, segments.method
)
