"""Words that carry no subject of their own, and what each of them tells."""

from __future__ import annotations

from retrieval.query.guards.lexicon import words

FIRST_PERSON = words("i me my mine myself we us our ours ourselves")
PRONOUNS = FIRST_PERSON | words(
    "you your yours yourself one ones it its itself they them their theirs themselves someone "
    "somebody anyone anybody this that these those such here there"
)
ANYBODY = FIRST_PERSON | words("you your they one")
PAST = words("was were did had")
FUTURE = words("will shall")
PRESENT = words("is are am do does has have")
AUXILIARIES = (
    PAST
    | FUTURE
    | PRESENT
    | words("be been being having can could may might must should would ought need")
)
MODALITIES = {
    "able": words("can could may might ?can allow allows allowed permitted permissible"),
    "must": words(
        "must ?must ?need need needs needed require requires required necessary mandatory compulsory "
        "obligatory requirement requirements"
    ),
    "should": words("should ought ?should"),
}
NEED = words("need needs ?need")
MODAL_VERBS = words("can could may might ?can must ?must should ought ?should") | NEED
# Left out wherever they stand; what they tell is looked at apart.
EMPTY = PRONOUNS | AUXILIARIES | words("a an the also just really actually exactly basically simply current currently now very quite so "
    "then as any own please ever properly correctly successfully generally respective well even "
    "if when while because that etc ok okay kind about of for at in on to with by s which who "
    "what from where why how whose whether or and but within into onto upon using via like "
    "not never no none nor neither nothing nobody nowhere cannot without require required requires "
    "needed needs necessary mandatory compulsory obligatory allow allows allowed permitted permissible "
    ", ; : & % + ?is ?can ?must ?need ?should located situated") - {"%", "+"}  # fmt: skip
BREAKS = words(
    "of for in on at about with to by from if when while because , ; : after before during using "
    "via as without and or but & per under over between through into onto within against than since "
    "until instead except unless despite that which who whose"
)
# A word that one of these governs does not mean the same under another of them.
STRICT_ROLES = words(
    "from to before after over under than since until without between against instead except "
    "unless if despite by"
)
SAME_ROLES = {"into": "to", "onto": "to", "using": "with", "via": "with"}
# Paraphrases put other prepositions for each other, but not these two.
CONTRARY_ROLES = ({"by", "for"}, {"for", "from"}, {"with", "for"}, {"with", "against"})
GOVERNING = STRICT_ROLES | {"for", "with"}
ENDING_PREPOSITIONS = words("by for from to with after")
DEGREES = words("more less better worse most least")
SPEAKERS = {"i": "i", "we": "i", "me": "me", "us": "me", "you": "you"}
JOINING = words("and or &")
PUNCTUATION = words(", ; :")
RELATIVES = words("that which who whose when")
NEGATIONS = words("not never no none nor neither nothing nobody nowhere without")
# Forgiven when only one side has them: they add nothing to what is asked.
LIGHT = words(
    "get give take go happen exist occur doctors thing way step guide help "
    "through during per between around include find information people possible actual "
    "have contain let look seem appear remain become recommended anything something another various different several certain specific "
    "particular entire whole"
)
LIGHT_ADVERBS = words(
    "already still again yet usually normally typically easily directly officially formally "
    "personally beforehand"
)
# Forgiven where they stand as verbs; "travel" before "policy" says which policy.
LIGHT_VERBS = words(
    "use offer provide apply done lie bring charge arrive receive expect play keep want wish try attempt "
    "manage perform conduct consider involve relate concern visit travel "
    "serve hold work function"
)
# Beside a word that says which one, these only say of what class it is.
CLASSES = words(
    "file database machine city country town page website program software tool language "
    "currency device system brand period leave river status area substance treatment document paper food place "
    "word product step"
)
# Where it "is found" is where it is.
FOUND_THERE = words("find found see seen stored kept located displayed shown lie lies saved")
DEMANDS = words("requirement requirements conditions prerequisite prerequisites documents papers")
# What can be done is safe, possible or accepted.
ENABLING = words(
    "safe ok okay possible possibility suitable available support supports supported compatible "
    "accept accepts accepted offer offers effective work works dishwashersafe"
)
PERSONS = words("employee staff worker people person individual everyone everybody customer user")
TIMES = words(
    "mai january february march april may june july august september october november december monday "
    "tuesday wednesday thursday friday saturday sunday today yesterday tomorrow tonight weekend "
    "weekday lastyear thisyear nextyear lastmonth thismonth nextmonth lastweek thisweek nextweek "
    "overmorrow ereyesterday christmaseve newyearseve newyear christmas easter spring summer autumn "
    "fall winter morning afternoon evening night noon midnight am pm daily weekly monthly yearly "
    "quarterly hour minute second day week month quarter year decade century last next previous "
    "past"
)
