"""English words by what they do to the meaning of a question; a word in no list is left to the vectors."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NEGATIONS = _set(
    "not no never none nothing nobody nowhere neither nor cannot without unless except"
)

# Words that have an opposite or a sibling that may stand in their place.
MARKED = _set(
    " zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty"
    " seventy eighty ninety hundred thousand million billion half quarter double twice triple once first"
    " second third fourth fifth last next previous monday tuesday wednesday thursday friday saturday"
    " sunday january february march april june july august september october november december today"
    " tomorrow yesterday tonight weekend morning noon afternoon evening night midnight day days week weeks"
    " month months year years hour hours minute minutes seconds daily weekly monthly yearly"
    " before after above below over under inside outside left right up down upward downward north south"
    " east west more less most least many few fewer maximum minimum max min high higher highest low lower"
    " lowest large larger small smaller big bigger long longer short shorter old older new newer young"
    " younger early earlier late later fast faster slow slower hot cold warm cool light dark heavy best"
    " worst better worse good bad all any some only both every each always often sometimes rarely"
    " enable disable enabled disabled enabling disabling on off open close opened closed opening closing"
    " unopened start stop begin end finish increase decrease increasing decreasing raise raised reduce"
    " reduced rise fall add remove added removed adding removing delete deleted create created insert"
    " include exclude including excluding install uninstall lock unlock locked unlocked block unblock"
    " blocked unblocked buy sell bought sold buying selling send receive sent received sending receiving"
    " lend borrow give take win lose won lost import export encrypt decrypt encode decode upload download"
    " login logout input output accept reject accepted rejected allow deny allowed denied forbidden fail"
    " failed failing pass passed succeed legal illegal safe unsafe possible impossible true false public"
    " private internal external same different with advantage advantages disadvantage disadvantages pro"
    " pros con cons benefit benefits risk risks cause causes effect effects husband wife mother father son"
    " daughter brother sister he she his her him hers men women man woman boy girl male female adult adults"
    " child children when where why who whom whose partly partially fully completely almost from into non must"
    " should single married debit credit cash cheque deposit withdraw withdrawal transfer"
)

FUNCTION_WORDS = _set(
    "a an the this that these those i i'm i've i'd i'll me my mine we us our ours you your yours it its they"
    " them their is are was were be been being am do does did done doing have has had having can could will"
    " would shall may might what which how if then than so as of"
    " to in at by for onto about and or but because while there here please just also too very"
    " really what's how's it's that's there's let's s m ve d ll hello hi hey thanks thank need"
    " want get got tell ok okay yes"
)

# What a sentence begins with, and no name does.
OPENINGS = _set(
    "explain show list write summarize summarise describe compare translate find help make define suggest"
    " recommend calculate compute convert generate draft rewrite fix check review provide discuss outline"
    " reset cancel change update return order track set turn use using"
)
