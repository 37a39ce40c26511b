/** KEYS: entry, lock. ARGV: token of the lock, text of the entry, ms or "". Only who has the lock keeps the entry. */
export const KEEP_WITH_LOCK = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2])
return 1`;

/** KEYS: lock. ARGV: token, ms. */
export const PROLONG = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`;

/** KEYS: lock. ARGV: token. */
export const UNLOCK = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/**
 * KEYS: counter. ARGV: by, ms or "". What isn't a number, or has more than 16 digits, begins anew; one that was set as a value
 * goes on.
 */
export const COUNT = `
local kept = redis.pcall('GET', KEYS[1])
if kept then
  local text = type(kept) == 'string' and kept or ''
  local value = string.match(text, '^\\1[^\\n]*\\nj(-?%d+)$')
  local number = string.match(value or text, '^-?%d+$')
  if not number or #number > 17 then redis.call('DEL', KEYS[1])
  elseif value then redis.call('SET', KEYS[1], value, 'KEEPTTL') end
end
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[2] ~= '' and redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return count`;
