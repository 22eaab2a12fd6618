-- The windows of call limits in Redis; docs/call-limits.md. The same rules as in
-- migrations/0011_call_ids_of_customers.sql, and one suite of tests for both.
--
--   ARGV: one text in MessagePack: the operation, the second (only in tests), the latest second that the caller
--   expects (if it knows one), the TTL of a call in seconds, and the calls, each a list of the operation's arguments.
--   The answer, in MessagePack too: for how many seconds nothing is admitted, the present second, and the results.
--
-- All keys are read before any is written, and windows are written before the calls that count in them. So an error,
-- e.g. a key of another type, cannot leave a held call that does not count.
--
-- A window is {newest second, calls, tokens, setbacks, calls in each place, tokens in each place, by how many seconds
-- it is ahead of a clock that was set back}; second s is at place s mod 61. The setbacks distinguish a window from one
-- that was lost before. The calls of one id are a hash: for each customer {service, second, setbacks, tokens, state}. No
-- number exceeds 2 to the 53.

local request = cmsgpack.unpack(ARGV[1])
local given, call_ttl = request.second, request.call_ttl
local SECOND, CALLS, TOKENS, SETBACKS, CALLS_IN, TOKENS_IN, AHEAD = 1, 2, 3, 4, 5, 6, 7
local PREFIX = KEYS[1]

-- One second for the whole batch: Redis runs nothing else during a script.
local time = redis.call('TIME')
local present_second = given or tonumber(time[1])
-- The setbacks of a window that begins: none that was lost before had them, so its calls do not count in this one.
local first_setbacks = time[1] * 1000000 + time[2]

local function empty_places()
    local places = {}
    for place = 1, 61 do
        places[place] = 0
    end
    return places
end

local function place_of(second)
    return second % 61 + 1
end

-- A window's time never goes back. While the clock is behind the window's second, the window advances with the clock,
-- ahead of it; once the clock has caught up, the window follows the clock itself.
local function advance(window, present)
    if present >= window[SECOND] then
        window[AHEAD] = 0
    else
        window[AHEAD] = math.max(window[AHEAD] or 0, window[SECOND] - present)
        present = present + window[AHEAD]
    end
    if present > window[SECOND] + 60 then
        window[CALLS_IN], window[TOKENS_IN] = empty_places(), empty_places()
        window[CALLS], window[TOKENS] = 0, 0
        window[SECOND] = present
    end
    while window[SECOND] < present do
        window[SECOND] = window[SECOND] + 1
        local place = place_of(window[SECOND])
        window[CALLS] = window[CALLS] - window[CALLS_IN][place]
        window[TOKENS] = window[TOKENS] - window[TOKENS_IN][place]
        window[CALLS_IN][place], window[TOKENS_IN][place] = 0, 0
    end
end

local function window_key(customer, service)
    return PREFIX .. 'window:' .. customer .. ':' .. service
end

-- The windows that this batch has read, and whether it has changed them.
local windows, is_changed = {}, {}

local function window_now(customer, service)
    local key = window_key(customer, service)
    if not windows[key] then
        local stored = redis.call('GET', key)
        local window = stored and cmsgpack.unpack(stored) or { 0, 0, 0, first_setbacks, empty_places(), empty_places(), 0 }
        local second_stored, ahead_stored = window[SECOND], window[AHEAD]
        advance(window, present_second)
        windows[key] = window
        is_changed[key] = window[SECOND] ~= second_stored or window[AHEAD] ~= ahead_stored
    end
    return windows[key], key
end

local function count_in(window, second, calls, tokens)
    local place = place_of(second)
    calls = math.max(calls, -window[CALLS_IN][place])
    tokens = math.max(tokens, -window[TOKENS_IN][place])
    window[CALLS_IN][place] = window[CALLS_IN][place] + calls
    window[TOKENS_IN][place] = window[TOKENS_IN][place] + tokens
    window[CALLS] = window[CALLS] + calls
    window[TOKENS] = window[TOKENS] + tokens
end

-- Whether the second in which this call was admitted is still one of the 61.
local function counts_in(window, call)
    return call.second >= window[SECOND] - 60 and call.second <= window[SECOND] and call.setbacks == window[SETBACKS]
end

-- When the last of these has left the window, if none is added.
local function empty_from(window, places)
    for age = 0, 60 do
        if window[places][place_of(window[SECOND] - age)] ~= 0 then
            return window[SECOND] - age + 61
        end
    end
    return window[SECOND]
end

-- The first second in which the same call would be within the limits, if none is added.
local function fits_from(window, requested_tokens, rpm, tpm)
    local calls, tokens = window[CALLS], window[TOKENS]
    for later = 1, 61 do
        local place = place_of(window[SECOND] + later) -- of the second that leaves when that one begins
        calls = calls - window[CALLS_IN][place]
        tokens = tokens - window[TOKENS_IN][place]
        if calls < rpm and (not tpm or tokens + requested_tokens <= tpm) then
            return window[SECOND] + later
        end
    end
    return false
end

local calls_read, calls_changed = {}, {}

local function key_of_calls(call_id)
    return PREFIX .. 'calls:' .. call_id
end

local function call_known(customer, call_id)
    local key = key_of_calls(call_id)
    calls_read[key] = calls_read[key] or {}
    if calls_read[key][customer] == nil then
        local stored = redis.call('HGET', key, customer)
        local call = stored and cmsgpack.unpack(stored)
        calls_read[key][customer] = call and { service = call[1], second = call[2], setbacks = call[3],
                                               tokens = call[4], state = call[5] }
    end
    return calls_read[key][customer]
end

local function change_call(customer, call_id, call)
    local key = key_of_calls(call_id)
    calls_changed[key] = calls_changed[key] or {}
    calls_read[key][customer], calls_changed[key][customer] = call, call
end

local function refusal_of(window, tokens, rpm, tpm)
    if rpm < 1 or (tpm and tokens > tpm) then
        return 'never'
    elseif window[CALLS] >= rpm then
        return 'rpm_exhausted'
    elseif tpm and window[TOKENS] + tokens > tpm then
        return 'tpm_exhausted'
    end
    return ''
end

-- The counts of refusals, by key and field.
local refused = {}

local function count_refusal(customer, service, refusal, second)
    local key = PREFIX .. 'refused:' .. math.floor(second / 3600)
    local field = customer .. ':' .. service .. ':' .. refusal
    refused[key] = refused[key] or {}
    refused[key][field] = (refused[key][field] or redis.call('HGET', key, field) or 0) + 1
end

-- A window expires after two windows without a change: nothing in it counts then.
local function store_all()
    for key, window in pairs(windows) do
        if is_changed[key] then
            redis.call('SET', key, cmsgpack.pack(window), 'EX', 122)
        end
    end
    for key, calls in pairs(calls_changed) do
        for customer, call in pairs(calls) do
            local values = { call.service, call.second, call.setbacks, call.tokens, call.state }
            redis.call('HSET', key, customer, cmsgpack.pack(values))
        end
        redis.call('EXPIRE', key, call_ttl)
    end
    for key, fields in pairs(refused) do
        for field, calls in pairs(fields) do
            redis.call('HSET', key, field, calls)
        end
        redis.call('EXPIRE', key, 26 * 3600)
    end
end

local function left_of(limit, used)
    return limit and math.max(limit - used, 0) or false -- a nil would end the answer
end

local function admit(customer, service, call_id, tokens, rpm, tpm)
    local window, key = window_now(customer, service)
    local known, refusal, passes_at = call_known(customer, call_id), '', false
    if known and known.service ~= service then
        refusal = 'other_call'
    elseif known and known.state == 'settled' then
        refusal = 'ended'
    elseif known and known.state == 'held' and counts_in(window, known) then
        refusal = known.tokens == tokens and '' or 'other_call'
    else
        refusal = refusal_of(window, tokens, rpm, tpm)
        if refusal == '' then
            count_in(window, window[SECOND], 1, tokens)
            is_changed[key] = true
            change_call(customer, call_id, { service = service, second = window[SECOND],
                                             setbacks = window[SETBACKS], tokens = tokens, state = 'held' })
        else
            count_refusal(customer, service, refusal, window[SECOND])
        end
    end
    if refusal == 'rpm_exhausted' or refusal == 'tpm_exhausted' then
        passes_at = fits_from(window, tokens, rpm, tpm)
    end
    return { refusal, window[SECOND], present_second, left_of(rpm, window[CALLS]), left_of(tpm, window[TOKENS]),
             empty_from(window, CALLS_IN), empty_from(window, TOKENS_IN), passes_at }
end

-- Used tokens are nil if the call was not made; a reservation for another service than this one is released.
local function settle(customer, call_id, used, service)
    local known = call_known(customer, call_id)
    if not known then
        return ''
    end
    local window, key = window_now(customer, known.service)
    if known.state ~= 'held' then
        return known.state
    end
    local is_elsewhere = service and service ~= known.service
    if is_elsewhere then
        used = nil
    end
    if counts_in(window, known) then
        count_in(window, known.second, used and 0 or -1, (used or 0) - known.tokens)
    end
    known.state, known.tokens = used and 'settled' or 'released', used or known.tokens
    change_call(customer, call_id, known)
    is_changed[key] = true
    return is_elsewhere and 'elsewhere' or 'held'
end

local function mark_reported(customer, service, call_id)
    local known = call_known(customer, call_id)
    if known and known.state ~= 'released' then
        return false
    end
    known = known or { service = service, second = present_second, setbacks = 0, tokens = 0 }
    known.state = 'settled'
    change_call(customer, call_id, known)
    return true
end

local function customers_of(call_id)
    return redis.call('HKEYS', key_of_calls(call_id))
end

local function count(customer, service, calls, tokens)
    local window, key = window_now(customer, service)
    count_in(window, window[SECOND], calls, tokens)
    is_changed[key] = true
    return true
end

local function look(customer, service)
    local window = window_now(customer, service)
    return { present_second, window[CALLS], window[TOKENS], empty_from(window, CALLS_IN) - window[AHEAD],
             empty_from(window, TOKENS_IN) - window[AHEAD] }
end

-- Fields and counts alternate, for each of these hours.
local function refusals(hours)
    local found, hour = {}, math.floor(present_second / 3600)
    for before = 0, hours do
        for _, value in ipairs(redis.call('HGETALL', PREFIX .. 'refused:' .. hour - before)) do
            found[#found + 1] = value
        end
    end
    return found
end

local operations = { admit = admit, settle = settle, mark_reported = mark_reported, customers_of = customers_of,
                     count = count, look = look,
                     refusals = refusals }

-- For how many seconds nothing is admitted. A hold begins if the server's process is not the one that the key names,
-- because calls may be lost; if the clock is before the last hold; or if the clock is beyond the latest second that the
-- caller expects and no hold has begun since: the clock has jumped ahead, and keys may have expired. A server that does
-- not report its process is taken for the same one.
local function seconds_held()
    local key, server = PREFIX .. 'store', redis.pcall('INFO', 'server')
    local process = type(server) == 'string' and server:match('run_id:(%x+)') or ''
    local stored = redis.call('GET', key)
    local known_process, from, till = unpack(stored and cmsgpack.unpack(stored) or {})
    if known_process ~= process or present_second < from
       or request.latest and present_second > request.latest and from <= request.latest then
        from, till = present_second, present_second + 61
        redis.call('SET', key, cmsgpack.pack({ process, from, till }))
    end
    return math.max(till - present_second, 0)
end

local answers = {}
local held = (request.operation == 'admit' or request.operation == 'look') and seconds_held() or 0
if held > 0 then
    return cmsgpack.pack({ held, present_second, answers })
end
for place, call in ipairs(request.calls) do
    answers[place] = operations[request.operation](call[1], call[2], call[3], call[4], call[5], call[6])
end
if request.operation ~= 'look' then
    store_all()
end
return cmsgpack.pack({ 0, present_second, answers })
