"""The atomic steps that Valkey runs, in Lua; its server's clock is everybody's.

Lua's numbers hold whole numbers up to 2^53: a meter is exact up to 150,000,000 a minute, and beyond that to one part
in 9 * 10^15. Times are microseconds.
"""

_METER = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function fill_of(name, rate)
  local kept = redis.call('HMGET', name, 'fill', 'at')
  if not kept[1] then return 0 end
  return math.max(0, kept[1] - math.max(0, now - kept[2]) * rate)
end
local function keep(name, fill, rate)
  redis.call('HSET', name, 'fill', string.format('%.0f', fill), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', name, math.ceil(fill / math.max(rate, 1) / 1000) + 1000)
end
"""

# KEYS: meters, places, holders. ARGV: how many meters, the holder, (amount, per minute) of each meter, the limit of each place, the lease.
# A server that came back empty knows no holder before its next beat: who takes a place lives.
TAKE = (
    _METER
    + """
local meters, holders = tonumber(ARGV[1]), KEYS[#KEYS]
local places = #KEYS - 1 - meters
local fills, busy, admitted = {}, {}, 1
for i = 1, meters do
  local amount, rate = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  fills[i] = fill_of(KEYS[i], rate)
  if rate <= 0 or fills[i] + amount * 60000000 > rate * 60000000 then admitted = 0 end
end
for i = 1, places do
  local held, taken = redis.call('HGETALL', KEYS[meters + i]), 0
  for j = 1, #held, 2 do
    local ends = redis.call('ZSCORE', holders, held[j])
    if ends and tonumber(ends) > now then
      taken = taken + held[j + 1]
    else
      redis.call('HDEL', KEYS[meters + i], held[j])
    end
  end
  busy[i] = taken
  if taken >= tonumber(ARGV[2 + 2 * meters + i]) then admitted = 0 end
end
if admitted == 1 then
  for i = 1, meters do
    fills[i] = fills[i] + ARGV[1 + 2 * i] * 60000000
    keep(KEYS[i], fills[i], tonumber(ARGV[2 + 2 * i]))
  end
  local lives = redis.call('ZSCORE', holders, ARGV[2])
  if places > 0 and not (lives and tonumber(lives) > now) then
    redis.call('ZADD', holders, string.format('%.0f', now + ARGV[#ARGV]), ARGV[2])
  end
  for i = 1, places do
    busy[i] = busy[i] + 1
    redis.call('HINCRBY', KEYS[meters + i], ARGV[2], 1)
    redis.call('PEXPIRE', KEYS[meters + i], 86400000)
  end
end
for i = 1, meters do fills[i] = string.format('%.0f', fills[i]) end
return {admitted, fills, busy}
"""
)

# KEYS: meters, places. ARGV: how many meters, the holder, (per minute, by) of each meter.
GIVE = (
    _METER
    + """
local meters = tonumber(ARGV[1])
for i = 1, meters do
  local rate, by = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  keep(KEYS[i], math.max(0, fill_of(KEYS[i], rate) + by), rate)
end
for i = meters + 1, #KEYS do
  if redis.call('HEXISTS', KEYS[i], ARGV[2]) == 1
    and redis.call('HINCRBY', KEYS[i], ARGV[2], -1) <= 0 then
    redis.call('HDEL', KEYS[i], ARGV[2])
  end
end
return 1
"""
)

# KEYS: holders. ARGV: the holder, its lease.
BEAT = (
    _METER
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return redis.call('ZCARD', KEYS[1])
"""
)

# KEYS: the name, the fences. ARGV: the value, milliseconds.
PUT = """
local fence = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'value', ARGV[1], 'fence', fence)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return fence
"""

CLAIM = """
local held = redis.call('HMGET', KEYS[1], 'fence', 'value')
if held[1] then return {tonumber(held[1]), held[2]} end
""" + PUT.replace("return fence", "return {fence, false}")

# KEYS: the name. ARGV: the fence, the value, milliseconds.
REPLACE = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""

# KEYS: the name. ARGV: the fence.
RELEASE = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
