-- advance: one shard from one version to another, all or nothing.
--
-- KEYS[1]   the shard's meta (hash); KEYS[2..] every other key that is touched, named by number in the program
-- ARGV[1]   the program, a msgpack map:
--             from, to       {lineage, n, floors} as strings; equal for seals and for T alone
--             clock          T in ms, a string; the larger of it and the stored one is kept
--             set            {field, value, …} of meta, set
--             add            {field, integer, …} of meta, added
--             del            {key, …} deleted
--             push           {key, argument, …} appended to a list (slice deltas stand in ARGV: they are binary)
--             put            {key, argument, …} the list becomes this one delta
--             zincr          {{{key, …}, {member, …}, {increment, …}}, …}: the same to each of these lists; a total
--                            of zero is removed
--             hincr          {{key, {field, …}, {increment as string, …}}, …}; the same for sums
--             hset           {{key, {field, …}, {argument, …}}, …} fields of a hash, set
--             hdel           {{key, {field, …}}, …} fields of a hash, deleted
--             sadd, srem     {{key, {member, …}}, …}
-- ARGV[2..] slice deltas, values of fields
-- reply     {what, lineage, n, floors, articles}: the version stored before, and the number of articles in the longest
--           total that was touched (0 if none was)
-- cost      1.4 us an increment on a shard of 3,000 articles, 2.0 on 12,500, 5 on 100,000 (increments of random
--           articles, ids of 14 characters); two commands for many members cost a third less than ZINCRBY for each.
--           hset is bounded by core/sequence_tracker.py: a field for each producer's run and each block of 1,024 sequences
local call, format = redis.call, string.format
local AT_ONCE = 3500 -- members of one command: Lua takes 8,000 arguments
local meta = KEYS[1]
local program = cmsgpack.unpack(ARGV[1])
local stored = call('HMGET', meta, 'lineage', 'n', 'floors', 'T', 'format', 'dropped')
if not stored[2] then return {'missing', '', '', '', 0} end

local articles = 0
local function reply(what) return {what, stored[1], stored[2], stored[3], articles} end
local function is(version) return stored[1] == version[1] and stored[2] == version[2] and stored[3] == version[3] end

if stored[5] ~= '1' or stored[6] then return reply('foreign') end
local from, to = program.from, program.to
if not is(from) then
  if is(to) then return reply('already') end
  if stored[1] ~= from[1] then return reply('rewound') end
  if stored[2] == from[2] then return reply('floors') end
  if tonumber(stored[2]) > tonumber(from[2]) then return reply('behind') end
  return reply('rewound')
end

for _, key in ipairs(program.del) do call('DEL', KEYS[key]) end
local push = program.push
for i = 1, #push, 2 do call('RPUSH', KEYS[push[i]], ARGV[push[i + 1]]) end
local put = program.put
for i = 1, #put, 2 do
  local key = KEYS[put[i]]
  call('DEL', key)
  call('RPUSH', key, ARGV[put[i + 1]])
end
local texts = {} -- total to its text: most articles have few, and lists of several windows the same ones
for _, entry in ipairs(program.zincr) do
  local members, increments = entry[2], entry[3]
  for _, list in ipairs(entry[1]) do
    local key = KEYS[list]
    for first = 1, #members, AT_ONCE do
      local last = math.min(first + AT_ONCE - 1, #members)
      local totals = call('ZMSCORE', key, unpack(members, first, last))
      local kept, gone, at = {}, {}, 0
      for i = first, last do
        local total = (totals[i - first + 1] or 0) + increments[i]
        if total == 0 then
          gone[#gone + 1] = members[i]
        else
          local text = texts[total]
          if not text then
            text = format('%d', total)
            texts[total] = text
          end
          kept[at + 1], kept[at + 2] = text, members[i]
          at = at + 2
        end
      end
      if at > 0 then call('ZADD', key, unpack(kept)) end
      if #gone > 0 then call('ZREM', key, unpack(gone)) end
    end
    articles = math.max(articles, call('ZCARD', key))
  end
end
for _, entry in ipairs(program.hincr) do
  local key, fields, increments = KEYS[entry[1]], entry[2], entry[3]
  for i = 1, #fields do
    if call('HINCRBY', key, fields[i], increments[i]) == 0 then call('HDEL', key, fields[i]) end
  end
end
for _, entry in ipairs(program.hset) do
  local key, fields, values = KEYS[entry[1]], entry[2], entry[3]
  for first = 1, #fields, AT_ONCE do
    local written, at = {}, 0
    for i = first, math.min(first + AT_ONCE - 1, #fields) do
      written[at + 1], written[at + 2] = fields[i], ARGV[values[i]]
      at = at + 2
    end
    call('HSET', key, unpack(written))
  end
end
for command, entries in pairs({SADD = program.sadd, SREM = program.srem, HDEL = program.hdel}) do
  for _, entry in ipairs(entries) do
    for first = 1, #entry[2], 2 * AT_ONCE do
      call(command, KEYS[entry[1]], unpack(entry[2], first, math.min(first + 2 * AT_ONCE - 1, #entry[2])))
    end
  end
end
local add = program.add
for i = 1, #add, 2 do call('HINCRBY', meta, add[i], add[i + 1]) end
local set = program.set
for i = 1, #set, 2 do call('HSET', meta, set[i], set[i + 1]) end
local clock = program.clock
if tonumber(clock) < tonumber(stored[4]) then clock = stored[4] end
call('HSET', meta, 'lineage', to[1], 'n', to[2], 'floors', to[3], 'T', clock)
return reply('applied')
