"""What an analyst may call: pure functions of their arguments, and aggregates; nothing that reads beyond its row."""

from services.warehouse.words import words

_ARITHMETIC = """
abs acos acosh asin asinh atan atan2 atanh avg2 bitAnd bitCount bitHammingDistance bitNot bitOr
bitRotateLeft bitRotateRight bitShiftLeft bitShiftRight bitSlice bitTest bitTestAll bitTestAny
bitXor cbrt ceil cos cosh degrees divide divideDecimal divideOrNull e erf exp exp10 exp2 factorial
floor gcd hypot ifNotFinite intDiv intDivOrNull intDivOrZero intExp10 intExp2 isFinite isInfinite
isNaN isPrime lcm lgamma log log10 log1p log2 max2 midpoint min2 minus modulo moduloOrNull
moduloOrZero multiply multiplyDecimal negate pi plus positiveModulo positiveModuloOrNull pow
radians round roundAge roundBankers roundDown roundDuration roundToExp2 sigmoid sign sin sinh sqr
sqrt tan tanh tgamma trunc
"""

_ARRAYS = """
array arrayAll arrayAUCPR arrayAutocorrelation arrayAvg arrayBottomK arrayCompact arrayConcat
arrayCount arrayCumSum arrayCumSumNonNegative arrayDifference arrayDistinct arrayDotProduct
arrayElement arrayElementOrNull arrayEnumerate arrayEnumerateDense arrayEnumerateDenseRanked
arrayEnumerateUniq arrayEnumerateUniqRanked arrayExcept arrayExists arrayFill arrayFilter
arrayFirst arrayFirstIndex arrayFirstOrNull arrayFlatten arrayFlattenedLength arrayFold
arrayIntersect arrayJaccardIndex arrayJoin arrayLast arrayLastIndex arrayLastOrNull
arrayMap arrayMax arrayMin arrayNormalizedGini arrayPartialReverseSort
arrayPartialSort arrayPopBack arrayPopFront arrayProduct arrayPushBack arrayPushFront arrayRemove
arrayResize arrayReverse arrayReverseFill arrayReverseSort arrayReverseSplit arrayROCAUC
arrayRotateLeft arrayRotateRight arrayShiftLeft arrayShiftRight arrayShingles
arraySlice arraySort arraySplit arraySum arraySymmetricDifference arrayTopK arrayTranspose
arrayUnion arrayUniq arrayWithConstant arrayZip arrayZipUnaligned countEqual dotProduct empty
extractKeyValuePairs extractKeyValuePairsWithEscaping flattenTuple has hasAll hasAny hasSubstr
indexOf indexOfAssumeSorted length map mapAdd mapAll mapApply mapConcat mapContainsKey
mapContainsKeyLike mapContainsValue mapContainsValueLike mapExists mapExtractKeyLike
mapExtractValueLike mapFilter mapFromArrays mapKeys mapPartialReverseSort mapPartialSort
mapPopulateSeries mapReverseSort mapSort mapSubtract mapUpdate mapValues notEmpty notHas range
reverse tuple tupleConcat tupleDivide tupleDivideByNumber tupleElement tupleHammingDistance
tupleIntDiv tupleIntDivByNumber tupleIntDivOrZero tupleIntDivOrZeroByNumber tupleMinus tupleModulo
tupleModuloByNumber tupleMultiply tupleMultiplyByNumber tupleNames tupleNegate tuplePlus
tuplePositiveModuloByNumber tupleToNameValuePairs
"""

_CONDITIONS = """
and assumeNotNull clamp coalesce firstNonDefault greatest if ifNull isNotNull isNull isNullable
isZeroOrNull least multiIf not nullIf or toNullable xor
"""

_DATES = """
addDate addDays addHours addInterval addMicroseconds addMilliseconds addMinutes addMonths
addNanoseconds addQuarters addSeconds addTupleOfIntervals addWeeks addYears changeDay changeHour
changeMinute changeMonth changeSecond changeYear dateDiff dateName dateTrunc formatDateTime
fromDaysSinceYearZero fromDaysSinceYearZero32 fromModifiedJulianDay fromModifiedJulianDayOrNull
fromUnixTimestamp fromUTCTimestamp hop hopEnd hopStart makeDate makeDate32 makeDateTime
makeDateTime64 monthName now now64 subDate subtractDays subtractHours subtractInterval
subtractMicroseconds subtractMilliseconds subtractMinutes subtractMonths subtractNanoseconds
subtractQuarters subtractSeconds subtractTupleOfIntervals subtractWeeks subtractYears timeDiff
timeSlot timeSlots timestamp timezoneOf timezoneOffset today toDayOfMonth toDayOfWeek toDayOfYear
toDaysInMonth toDaysSinceYearZero toHour toISOWeek toISOYear toLastDayOfMonth toLastDayOfWeek
toMicrosecond toMillisecond toMinute toModifiedJulianDay toModifiedJulianDayOrNull toMonday
toMonth toMonthNumSinceEpoch toNanosecond toQuarter toRelativeDayNum toRelativeHourNum
toRelativeMinuteNum toRelativeMonthNum toRelativeQuarterNum toRelativeSecondNum toRelativeWeekNum
toRelativeYearNum toSecond toStartOfDay toStartOfFifteenMinutes toStartOfFiveMinutes toStartOfHour
toStartOfInterval toStartOfISOYear toStartOfMicrosecond toStartOfMillisecond toStartOfMinute
toStartOfMonth toStartOfNanosecond toStartOfQuarter toStartOfSecond toStartOfTenMinutes
toStartOfWeek toStartOfYear toTimeWithFixedDate toTimezone toUnixTimestamp toUTCTimestamp toWeek
toYear toYearNumSinceEpoch toYearWeek toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss tumble tumbleEnd
tumbleStart UTCTimestamp yesterday YYYYMMDDhhmmssToDateTime YYYYMMDDhhmmssToDateTime64
YYYYMMDDToDate YYYYMMDDToDate32
"""

_VECTORS = """
cosineDistance L1Distance L1Norm L1Normalize L2Distance L2Norm L2Normalize L2SquaredDistance
L2SquaredNorm LinfDistance LinfNorm LinfNormalize LpDistance LpNorm LpNormalize
"""

_HASHES = """
bin char cityHash64 dateTime64ToSnowflakeID dateTimeToSnowflakeID dateTimeToUUIDv7
farmFingerprint64 farmHash64 generateSnowflakeID generateUUIDv4 generateUUIDv7 halfMD5 hex
intHash32 intHash64 jumpConsistentHash MD5 metroHash64 murmurHash2_32 murmurHash2_64
murmurHash3_128 murmurHash3_32 murmurHash3_64 SHA1 SHA224 SHA256 SHA384 SHA512 SHA512_256
sipHash128 sipHash64 snowflakeIDToDateTime snowflakeIDToDateTime64 toUUIDOrDefault toUUIDOrNull
unbin unhex URLHash UUIDNumToString UUIDStringToNum UUIDToNum UUIDv7ToDateTime wyHash64 xxh3
xxh3_128 xxHash32 xxHash64
"""

_JSON = """
dynamicElement dynamicType isDynamicElementInSharedData isValidJSON JSON_EXISTS JSON_QUERY
JSON_VALUE JSONAllPaths JSONAllPathsWithTypes JSONAllValues JSONArrayLength JSONDynamicPaths
JSONDynamicPathsWithTypes JSONExtract JSONExtractArrayRaw JSONExtractArrayRawCaseInsensitive
JSONExtractBool JSONExtractBoolCaseInsensitive JSONExtractCaseInsensitive JSONExtractFloat
JSONExtractFloatCaseInsensitive JSONExtractInt JSONExtractIntCaseInsensitive JSONExtractKeys
JSONExtractKeysAndValues JSONExtractKeysAndValuesCaseInsensitive JSONExtractKeysAndValuesRaw
JSONExtractKeysAndValuesRawCaseInsensitive JSONExtractKeysCaseInsensitive JSONExtractRaw
JSONExtractRawCaseInsensitive JSONExtractString JSONExtractStringCaseInsensitive JSONExtractUInt
JSONExtractUIntCaseInsensitive JSONHas JSONKey JSONLength JSONMergePatch JSONSharedDataPaths
JSONSharedDataPathsWithTypes JSONType prettyPrintJSON simpleJSONExtractBool simpleJSONExtractFloat
simpleJSONExtractInt simpleJSONExtractRaw simpleJSONExtractString simpleJSONExtractUInt
simpleJSONHas toJSONString
"""

_STRINGS = """
alphaTokens appendTrailingCharIfAbsent arrayStringConcat ascii base64Decode base64Encode
base64URLDecode base64URLEncode basename byteHammingDistance caseFoldUTF8 compareSubstrings concat
concatAssumeInjective concatWithSeparator concatWithSeparatorAssumeInjective countMatches
countMatchesCaseInsensitive countSubstrings countSubstringsCaseInsensitive
countSubstringsCaseInsensitiveUTF8 CRC32 CRC32IEEE CRC64 cutFragment cutQueryString
cutQueryStringAndFragment cutToFirstSignificantSubdomain cutToFirstSignificantSubdomainWithWWW
cutURLParameter cutWWW damerauLevenshteinDistance decodeHTMLComponent decodeURLComponent
decodeURLFormComponent decodeXMLComponent domain domainWithoutWWW editDistance editDistanceUTF8
encodeURLComponent encodeURLFormComponent encodeXMLComponent endsWith endsWithCaseInsensitive
endsWithCaseInsensitiveUTF8 endsWithUTF8 extract extractAll extractAllGroupsHorizontal
extractAllGroupsVertical extractGroups extractTextFromHTML extractURLParameter
extractURLParameterNames extractURLParameters firstSignificantSubdomain format fragment
hasAllTokens hasAnyTokens hasPhrase hasSubsequence hasSubsequenceCaseInsensitive
hasSubsequenceCaseInsensitiveUTF8 hasSubsequenceUTF8 hasToken hasTokenCaseInsensitive
hasTokenCaseInsensitiveOrNull hasTokenOrNull ilike initcap initcapUTF8 isValidASCII isValidUTF8
jaroSimilarity jaroWinklerSimilarity left leftPad leftPadUTF8 leftUTF8 lengthUTF8 like locate
lower lowerUTF8 match matchCaseInsensitive multiFuzzyMatchAllIndices multiFuzzyMatchAny
multiFuzzyMatchAnyIndex multiMatchAllIndices multiMatchAny multiMatchAnyIndex
multiSearchAllPositions multiSearchAllPositionsCaseInsensitive
multiSearchAllPositionsCaseInsensitiveUTF8 multiSearchAllPositionsUTF8 multiSearchAny
multiSearchAnyCaseInsensitive multiSearchAnyCaseInsensitiveUTF8 multiSearchAnyUTF8
multiSearchFirstIndex multiSearchFirstIndexCaseInsensitive
multiSearchFirstIndexCaseInsensitiveUTF8 multiSearchFirstIndexUTF8 multiSearchFirstPosition
multiSearchFirstPositionCaseInsensitive multiSearchFirstPositionCaseInsensitiveUTF8
multiSearchFirstPositionUTF8 naturalSortKey netloc ngramDistance ngramDistanceCaseInsensitive
ngramDistanceCaseInsensitiveUTF8 ngramDistanceUTF8 ngrams ngramSearch ngramSearchCaseInsensitive
ngramSearchCaseInsensitiveUTF8 ngramSearchUTF8 normalizeUTF8NFC normalizeUTF8NFD normalizeUTF8NFKC
normalizeUTF8NFKCCasefold normalizeUTF8NFKD notILike notLike notMatch notMatchCaseInsensitive path
pathFull port position positionCaseInsensitive positionCaseInsensitiveUTF8 positionUTF8 printf
protocol queryString queryStringAndFragment regexpExtract regexpPosition regexpQuoteMeta
removeDiacriticsUTF8 replaceAll replaceOne replaceRegexpAll replaceRegexpOne reverseBySeparator
reverseUTF8 right rightPad rightPadUTF8 rightUTF8 soundex splitByChar splitByNonAlpha
splitByRegexp splitByString splitByWhitespace startsWith startsWithCaseInsensitive
startsWithCaseInsensitiveUTF8 startsWithUTF8 stringBytesEntropy stringBytesUniq stringJaccardIndex
stringJaccardIndexUTF8 substring substringIndex substringIndexUTF8 substringUTF8 tokens
tokensForLikePattern topLevelDomain toValidUTF8 trimBoth trimLeft trimRight tryBase64Decode
tryBase64URLDecode upper upperUTF8 URLHierarchy URLPathHierarchy
"""

_CONVERSIONS = """
accurateCast accurateCastOrDefault accurateCastOrNull CAST DATE fromUnixTimestamp64Micro
fromUnixTimestamp64Milli fromUnixTimestamp64Nano fromUnixTimestamp64Second parseDateTime
parseDateTime32BestEffort parseDateTime32BestEffortOrNull parseDateTime32BestEffortOrZero
parseDateTime64 parseDateTime64BestEffort parseDateTime64BestEffortOrNull
parseDateTime64BestEffortOrZero parseDateTime64BestEffortUS parseDateTime64BestEffortUSOrNull
parseDateTime64BestEffortUSOrZero parseDateTime64OrNull parseDateTime64OrZero
parseDateTimeBestEffort parseDateTimeBestEffortOrNull parseDateTimeBestEffortOrZero
parseDateTimeBestEffortUS parseDateTimeBestEffortUSOrNull parseDateTimeBestEffortUSOrZero
parseDateTimeOrNull parseDateTimeOrZero toBool toDate toDate32 toDate32OrDefault toDate32OrNull
toDate32OrZero toDateOrDefault toDateOrNull toDateOrZero toDateTime toDateTime32 toDateTime64
toDateTime64OrDefault toDateTime64OrNull toDateTime64OrZero toDateTimeOrDefault toDateTimeOrNull
toDateTimeOrZero toDecimal128 toDecimal128OrDefault toDecimal128OrNull toDecimal128OrZero
toDecimal256 toDecimal256OrDefault toDecimal256OrNull toDecimal256OrZero toDecimal32
toDecimal32OrDefault toDecimal32OrNull toDecimal32OrZero toDecimal64 toDecimal64OrDefault
toDecimal64OrNull toDecimal64OrZero toDecimalString toFixedString toFloat32 toFloat32OrDefault
toFloat32OrNull toFloat32OrZero toFloat64 toFloat64OrDefault toFloat64OrNull toFloat64OrZero
toInt16 toInt16OrDefault toInt16OrNull toInt16OrZero toInt32 toInt32OrDefault toInt32OrNull
toInt32OrZero toInt64 toInt64OrDefault toInt64OrNull toInt64OrZero toInt8 toInt8OrDefault
toInt8OrNull toInt8OrZero toInterval toIntervalDay toIntervalHour toIntervalMicrosecond
toIntervalMillisecond toIntervalMinute toIntervalMonth toIntervalNanosecond toIntervalQuarter
toIntervalSecond toIntervalWeek toIntervalYear toLowCardinality toString toStringCutToZero
toUInt16 toUInt16OrDefault toUInt16OrNull toUInt16OrZero toUInt32 toUInt32OrDefault toUInt32OrNull
toUInt32OrZero toUInt64 toUInt64OrDefault toUInt64OrNull toUInt64OrZero toUInt8 toUInt8OrDefault
toUInt8OrNull toUInt8OrZero toUnixTimestamp64Micro toUnixTimestamp64Milli toUnixTimestamp64Nano
toUnixTimestamp64Second toUUID toUUIDOrZero
"""

_OTHER = """
bar countDigits currentDatabase dynamicElement finalizeAggregation formatReadableDecimalSize
formatReadableQuantity formatReadableSize formatReadableTimeDelta geoDistance greatCircleDistance
identity IPv4NumToString IPv4StringToNum isIPv4String isIPv6String materialize neighbor
parseTimeDelta pointInPolygon rand rand64 randNormal randUniform repeat runningAccumulate
seriesDecomposeSTL seriesOutliersDetectTukey seriesPeriodDetectFFT space timezone toIPv4 toIPv6
toTypeName transform translate variantElement variantType version visibleWidth
"""

_ALIASES = """
array_remove array_to_string arrayAUC arrayPRAUC byteSlice CARDINALITY caseWithoutExpr
caseWithoutExpression ceiling CHAR_LENGTH CHARACTER_LENGTH concat_ws curdate current_date
current_timestamp date_bin DATE_DIFF date_diff DATE_FORMAT DATE_TRUNC DAY DAYOFMONTH DAYOFWEEK
DAYOFYEAR distanceCosine distanceL1 distanceL2 distanceL2Squared distanceLinf distanceLp
extractAllGroups flatten FORMAT_BYTES FROM_BASE64 FROM_DAYS FROM_UNIXTIME from_utc_timestamp
hasAllToken hasAnyToken HOUR INET_ATON INET_NTOA instr isASCII JSON_ARRAY_LENGTH jsonMergePatch
LAST_DAY lcase levenshteinDistance levenshteinDistanceUTF8 ln lpad ltrim MAP_FROM_ARRAYS
mapContains mapFromString matchPhrase MICROSECOND mid MILLISECOND MINUTE mismatches mod modOrNull
MONTH NANOSECOND NATURAL_SORT_KEY normalizeL1 normalizeL2 normalizeLinf normalizeLp normL1 normL2
normL2Squared normLinf normLp OCTET_LENGTH pmod pmodOrNull positive_modulo positive_modulo_or_null
power QUARTER rand32 REGEXP_EXTRACT regexp_instr REGEXP_MATCHES REGEXP_REPLACE REGEXP_SUBSTR
regexpInstr removeAccentsUTF8 replace rpad rtrim scalarProduct SECOND splitByAlpha str_to_date
str_to_map substr SUBSTRING_INDEX time_bucket TIMESTAMP_DIFF timestamp_diff timestampDiff
timeZoneOf timeZoneOffset TO_BASE64 TO_DAYS TO_UNIXTIME to_utc_timestamp toStartOfFiveMinute
toTimeZone trim truncate ucase unnest UTC_timestamp vectorDifference vectorSum
visitParamExtractBool visitParamExtractFloat visitParamExtractInt visitParamExtractRaw
visitParamExtractString visitParamExtractUInt visitParamHas week YEAR yearweek
"""

_AGGREGATES = """
any any_respect_nulls anyHeavy anyLast anyLast_respect_nulls approx_top_k approx_top_sum arg_max
arg_min argAndMax argAndMin argMax argMin array_agg avg avgWeighted boundingRatio
categoricalInformationValue contingency corr corrMatrix corrStable count covar_pop covar_samp
covarPop covarPopMatrix covarPopStable covarSamp covarSampMatrix covarSampStable cramersV
cramersVBiasCorrected cume_dist deltaSum deltaSumTimestamp dense_rank entropy
exponentialMovingAverage exponentialTimeDecayedAvg exponentialTimeDecayedCount
exponentialTimeDecayedMax exponentialTimeDecayedSum first_value gini group_concat groupArray
groupArrayArray groupArrayInsertAt groupArrayIntersect groupArrayLast groupArrayMovingAvg
groupArrayMovingSum groupArraySample groupArraySorted groupBitAnd groupBitOr groupBitXor
groupConcat groupUniqArray histogram intervalLengthSum kolmogorovSmirnovTest kurtPop kurtSamp lag
lagInFrame largestTriangleThreeBuckets last_value lead leadInFrame mannWhitneyUTest max
maxIntersections maxIntersectionsPosition maxMap maxMappedArrays meanZTest median medianExact
medianTDigest min minMap minMappedArrays nonNegativeDerivative nth_value ntile percent_rank
percentRank quantile quantileBFloat16 quantileBFloat16Weighted quantileDD quantileDeterministic
quantileExact quantileExactExclusive quantileExactHigh quantileExactInclusive quantileExactLow
quantileExactWeighted quantileExactWeightedInterpolated quantileGK quantileInterpolatedWeighted
quantiles quantilesBFloat16 quantilesBFloat16Weighted quantilesDD quantilesDeterministic
quantilesExact quantilesExactExclusive quantilesExactHigh quantilesExactInclusive
quantilesExactLow quantilesExactWeighted quantilesExactWeightedInterpolated quantilesGK
quantilesInterpolatedWeighted quantilesTDigest quantilesTDigestWeighted quantilesTiming
quantilesTimingWeighted quantileTDigest quantileTDigestWeighted quantileTiming
quantileTimingWeighted rank rankCorr regr_avgx regr_avgy regr_count regr_intercept regr_r2
regr_slope regr_sxx regr_sxy regr_syy retention row_number sequenceCount sequenceMatch
sequenceMatchEvents sequenceNextNode simpleLinearRegression singleValueOrNull skewPop skewSamp
sparkbar std stddev_pop stddev_samp stddevPop stddevPopStable stddevSamp stddevSampStable
studentTTest studentTTestOneSample sum sumCount sumKahan sumMap sumMapFiltered
sumMapFilteredWithOverflow sumMappedArrays sumMapWithOverflow sumWithOverflow theilsU topK
topKWeighted uniq uniqCombined uniqCombined64 uniqExact uniqHLL12 uniqUpTo var_pop var_samp varPop
varPopStable varSamp varSampStable welchTTest windowFunnel
"""

# What ClickHouse's parser calls the operators: they appear in its tree of a query, not as calls in its text.
_OPERATORS = """
_CAST caseWithExpression equals exists greater greaterOrEquals grouping in isDistinctFrom isNotDistinctFrom
lambda less lessOrEquals notEquals notIn
"""

# What may follow an aggregate's name: sumIf, quantileTDigestIf, countDistinct, ...
_COMBINATORS = (
    "if",
    "array",
    "map",
    "distinct",
    "ornull",
    "ordefault",
    "foreach",
    "state",
    "merge",
    "argmin",
    "argmax",
)


SCALARS = words(
    _ARITHMETIC.lower(),
    _ARRAYS.lower(),
    _CONDITIONS.lower(),
    _DATES.lower(),
    _VECTORS.lower(),
    _HASHES.lower(),
    _JSON.lower(),
    _STRINGS.lower(),
    _CONVERSIONS.lower(),
    _OTHER.lower(),
    _ALIASES.lower(),
)
AGGREGATES = words(_AGGREGATES.lower())
OPERATORS = words(_OPERATORS.lower())
MEMBERSHIP = frozenset({"in", "notin"})
# Their work on two texts is the product of the lengths, and cannot be interrupted: 65,536 bytes of each, the
# most that the engine takes, are ten seconds and more (chdb-core 26.9). Arrays are not offered to their kin.
DISTANCES = words(
    "dameraulevenshteindistance editdistance editdistanceutf8 levenshteindistance levenshteindistanceutf8"
)


def is_callable(name: str) -> bool:
    """Whether an analyst may call the function of this name.

    >>> is_callable("quantileTDigestIf"), is_callable("file")
    (True, False)
    """
    lowered = name.lower()
    return lowered in SCALARS or _is_aggregate(lowered)


def is_known(name: str) -> bool:
    """Whether a function in the engine's tree of a query is one, or stands for an operator."""
    return name.lower() in OPERATORS or is_callable(name)


def _is_aggregate(name: str) -> bool:
    if name in AGGREGATES:
        return True
    ends = (combinator for combinator in _COMBINATORS if name.endswith(combinator))
    return any(_is_aggregate(name.removesuffix(end)) for end in ends)
