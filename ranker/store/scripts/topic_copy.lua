-- topic_copy: one partition of a copied topic from one offset to another, all or nothing.
--
-- KEYS[1]   meta (hash); KEYS[2] values (hash: record key to value); KEYS[3] changes (sorted set: record key to offset)
-- ARGV      begin    instead_of lineage partitions    starts at 0 if nothing is stored, or the lineage `instead_of`
--           advance  lineage n to last {key offset value}…    value '' is a tombstone
--           level    lineage             the end of the topic has been reached, once
-- reply     applied | other (the stored state is another one: nothing was written)
-- cost      3 commands of O(log n) per record; the caller sends at most 500
local call = redis.call
local meta, values, changes = KEYS[1], KEYS[2], KEYS[3]
local stored = call('HMGET', meta, 'lineage', 'n')

if ARGV[1] == 'begin' then
  if (stored[1] or '') ~= ARGV[2] then return 'other' end
  call('UNLINK', values, changes)
  call('HDEL', meta, 'level')
  call('HSET', meta, 'lineage', ARGV[3], 'n', 0, 'last', '', 'partitions', ARGV[4])
  return 'applied'
end

if ARGV[1] == 'level' then
  if stored[1] ~= ARGV[2] then return 'other' end
  call('HSET', meta, 'level', 1)
  return 'applied'
end

if stored[1] ~= ARGV[2] or stored[2] ~= ARGV[3] then return 'other' end
for i = 6, #ARGV, 3 do
  local key, offset, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if value == '' then call('HDEL', values, key) else call('HSET', values, key, value) end
  call('ZADD', changes, offset, key)
end
call('HSET', meta, 'n', ARGV[4], 'last', ARGV[5])
return 'applied'
