-- What the coordinator knows of the cluster and of the table of usage records, as one row.
SELECT citus_is_coordinator() AS is_coordinator,
       current_setting('citus.enable_unsafe_triggers')::boolean AS takes_triggers,
       current_setting('citus.max_adaptive_executor_pool_size')::integer AS connections_to_each,
       has_function_privilege('recover_prepared_transactions()', 'execute') AS finishes_commits,
       (SELECT json_agg(json_build_array(nodename || ':' || nodeport, isactive, shouldhaveshards, (
               SELECT count(*)
                 FROM pg_dist_placement AS placement
                 JOIN pg_dist_shard AS shard USING (shardid)
                WHERE placement.groupid = node.groupid AND shard.logicalrelid = 'usage_usagerecord'::regclass))
               ORDER BY nodeid)
          FROM pg_dist_node AS node WHERE noderole = 'primary' AND groupid <> 0) AS workers,
       (SELECT column_to_column_name(logicalrelid, partkey)
          FROM pg_dist_partition
         WHERE logicalrelid = 'usage_usagerecord'::regclass AND partmethod = 'h') AS distributed_by,
       (SELECT json_agg(logicalrelid::text ORDER BY logicalrelid::text)
          FROM pg_dist_partition WHERE logicalrelid <> 'usage_usagerecord'::regclass) AS others
