"""Common structures and findings with their SNOMED CT codes, as DICOM's context groups have them (PS3.16)."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["CATEGORIES", "STRUCTURES", "Kind", "Structure"]

Kind = Literal["anatomy", "finding", "tissue", "substance", "object"]
# DICOM CID 7150
CATEGORIES: dict[Kind, tuple[str, str]] = {
    "anatomy": ("91723000", "Anatomical Structure"),
    "finding": ("49755003", "Morphologically Abnormal Structure"),
    "tissue": ("85756007", "Tissue"),
    "substance": ("91720002", "Body Substance"),
    "object": ("260787004", "Physical object"),
}


@dataclass(frozen=True)
class Structure:
    """What names may stand for.

    Args:
        names: The words that it is known by, the plainest first, in small letters.
        code: Of SNOMED CT.
        meaning: Its words there.
        kind: Its category.
    """

    names: tuple[str, ...]
    code: str
    meaning: str
    kind: Kind


# Each line: the names, with commas between; the code; its meaning. A side is no part of it, and need not be.
_ANATOMY = """
adrenal gland, adrenal, suprarenal gland; 23451007; Adrenal gland
airway, airways; 89187006; Airway structure
amygdala; 4958002; Amygdala
abdominal aorta; 7832008; Abdominal aorta
aorta; 15825003; Aorta
ascending aorta; 54247002; Ascending aorta
atrial appendage left; 33626005; Left auricular appendage
axilla; 91470000; Axilla
bladder, urinary bladder; 89837001; Bladder
blood vessel, vessel, vessels; 59820001; Blood Vessel
body, entire body; 38266002; Entire body
bone, bones; 272673000; Bone
brachiocephalic trunk, innominate artery; 12691009; Innominate artery
brain; 12738006; Brain
brain stem, brainstem; 119238007; Brain Stem
brain ventricle, brain ventricles; 35764002; Brain ventricle
breast, breasts; 76752008; Breast
bronchus, bronchi; 955009; Bronchus
calcaneus; 80144004; Calcaneus
cartilage; 309312004; Cartilage
caudate nucleus, caudate; 11000004; Caudate Nucleus
celiac axis, celiac trunk; 57850000; Celiac Axis
cerebellum; 113305005; Cerebellum
cerebral cortex; 40146001; Cerebral cortex
cerebral white matter; 68523003; Cerebral White Matter
cervix, uterine cervix; 71252005; Cervix
chest, thorax; 816094009; Chest
clavicle, clavicles, clavicula; 51299004; Clavicle
coccyx; 64688005; Coccyx
colon; 71854001; Colon
common bile duct; 79741001; Common bile duct
common carotid artery; 32062004; Common carotid artery
common iliac artery; 73634005; Common iliac artery
common iliac vein; 46027005; Common iliac vein
cornea; 28726007; Cornea
coronary artery, coronary arteries; 41801008; Coronary artery
corpus callosum; 88442005; Corpus callosum
costal cartilage, costal cartilages; 50016007; Costal Cartilage
descending aorta; 281130003; Descending aorta
diaphragm; 5798000; Diaphragm
duodenum; 38848004; Duodenum
erector spinae muscle, autochthon; 44947003; Erector spinae muscle
esophagus, oesophagus; 32849002; Esophagus
eye, eyes; 81745001; Eye
face; 89545001; Face
femoral artery; 7657000; Femoral artery
femur; 71341001; Femur
fibula; 87342007; Fibula
fissure of lung, lung fissure; 278983006; Fissure of lung
foot; 56459004; Foot
fourth ventricle; 35918002; Fourth Ventricle
frontal lobe; 83251001; Frontal lobe
gallbladder, gall bladder; 28231008; Gallbladder
globus pallidus, pallidum; 14738005; Globus Pallidus
gray matter, grey matter; 389081007; Gray Matter
hand; 85562004; Hand
head; 69536005; Head
heart; 80891009; Heart
hepatic vein, hepatic veins; 8993003; Hepatic vein
hilum of lung, lung hilum; 46750007; Hilum of lung
hip; 29836001; Hip
hippocampus, hippocampi; 5366008; Hippocampus
humerus; 85050009; Humerus
hyoid bone, hyoid; 21387005; Hyoid bone
ileum; 34516001; Ileum
iliac artery; 10293006; Iliac artery
iliac vein; 244411005; Iliac vein
ilium; 22356005; Ilium
inferior vena cava; 64131007; Inferior vena cava
insula; 36169008; Insula
internal carotid artery; 86117002; Internal carotid artery
jejunum; 21306003; Jejunum
kidney, kidneys; 64033007; Kidney
large intestine, large bowel; 14742008; Large intestine
larynx; 4596009; Larynx
lateral ventricle, lateral ventricles; 66720007; Lateral Ventricle
left atrium, heart atrium left; 82471001; Left atrium
left ventricle, heart ventricle left; 87878005; Left ventricle
left ventricle myocardium, left ventricular myocardium; 49848007; Left Ventricle Myocardium
lens; 78076003; Lens
liver; 10200004; Liver
lobe of lung, lung lobe; 31094006; Lobe of lung
lower lobe of lung, lung lower lobe; 90572001; Lower lobe of lung
lung, lungs; 39607008; Lung
lymph node, lymph nodes; 59441001; Lymph Node
mandible; 91609006; Mandible
maxilla; 70925003; Maxilla
mediastinum; 72410000; Mediastinum
meniscus; 74135004; Meniscus
middle lobe of right lung, lung middle lobe right; 72481006; Middle lobe of right lung
neck; 45048000; Neck
nipple, nipples; 24142002; Nipple
nucleus accumbens, accumbens; 427667007; Nucleus Accumbens
occipital lobe; 31065004; Occipital lobe
optic chiasm; 244453006; Optic chiasm
optic nerve; 18234004; optic nerve
oral cavity; 74262004; oral cavity
ovary, ovaries; 15497006; Ovary
pancreas; 15776009; Pancreas
parietal lobe; 16630005; Parietal lobe
parotid gland, parotid; 45289007; Parotid gland
patella; 64234005; Patella
pectoralis major muscle, pectoralis major, pectoral muscle; 60005003; Pectoralis major muscle
pelvis; 816092008; Pelvis
pericardium; 76848001; Pericardium
pharynx; 54066008; Pharynx
pituitary, pituitary gland; 56329008; Pituitary
placenta; 78067005; Placenta
pleura; 3120008; Pleura
portal vein; 32764006; Portal vein
prostate; 41216001; Prostate
pulmonary artery, pulmonary arteries; 81040000; Pulmonary artery
pulmonary vein, pulmonary veins; 122972007; Pulmonary vein
putamen; 89278009; Putamen
radius; 62413002; Radius
rectum; 34402009; Rectum
renal artery; 2841007; Renal artery
renal pelvis; 25990002; Renal pelvis
renal vein; 56400007; Renal vein
retina; 5665001; Retina
rib, ribs; 113197003; Rib
right atrium, heart atrium right; 73829009; Right atrium
right ventricle, heart ventricle right; 53085002; Right ventricle
sacrum; 54735007; Sacrum
scapula; 79601000; Scapula
sclera; 18619003; Sclera
seminal vesicle, seminal vesicles; 64739004; Seminal Vesicle
sigmoid colon, sigmoid; 60184004; Sigmoid colon
skeletal muscle; 127954009; Skeletal muscle
skin; 39937001; Skin
skull; 89546000; Skull
small intestine, small bowel; 30315005; Small intestine
spinal cord; 2748008; Spinal cord
spine, vertebral column; 421060004; Spine
spleen; 78961009; Spleen
splenic vein; 35819009; Splenic vein
sternum; 56873002; Sternum
stomach; 69695003; Stomach
subclavian artery; 36765005; Subclavian artery
submandibular gland; 54019009; Submandibular gland
superior mesenteric artery; 42258001; Superior mesenteric artery
superior mesenteric vein; 90771006; Superior Mesenteric Vein
superior vena cava; 48345005; Superior vena cava
temporal bone; 60911003; Temporal Bone
temporal lobe; 78277001; Temporal lobe
testis, testes, testicle; 40689003; Testis
thalamus; 42695009; Thalamus
third ventricle; 49841001; Third ventricle
thoracic aorta; 113262008; Thoracic aorta
thymus; 9875009; Thymus
thyroid, thyroid gland; 69748006; Thyroid
tibia; 12611008; Tibia
tongue; 21974007; Tongue
tooth, teeth; 38199008; Tooth
trachea; 44567001; Trachea
trapezius muscle, trapezius; 31764008; Trapezius muscle
ulna; 23416004; Ulna
upper lobe of lung, lung upper lobe; 45653009; Upper lobe of lung
ureter; 87953007; Ureter
urethra; 13648007; Urethra
uterus; 35039007; Uterus
vagina; 76784001; Vagina
vertebra, vertebrae; 51282000; Vertebra
vitreous; 26386000; Vitreous
white matter; 389080008; White Matter
c1 vertebra, vertebra c1, vertebrae c1; 14806007; C1 vertebra
c2 vertebra, vertebra c2, vertebrae c2; 39976000; C2 vertebra
c3 vertebra, vertebra c3, vertebrae c3; 113205007; C3 vertebra
c4 vertebra, vertebra c4, vertebrae c4; 5329002; C4 vertebra
c5 vertebra, vertebra c5, vertebrae c5; 36978003; C5 vertebra
c6 vertebra, vertebra c6, vertebrae c6; 36054005; C6 vertebra
c7 vertebra, vertebra c7, vertebrae c7; 87391001; C7 vertebra
t1 vertebra, vertebra t1, vertebrae t1; 64864005; T1 vertebra
t2 vertebra, vertebra t2, vertebrae t2; 53733008; T2 vertebra
t3 vertebra, vertebra t3, vertebrae t3; 1626008; T3 vertebra
t4 vertebra, vertebra t4, vertebrae t4; 73071006; T4 vertebra
t5 vertebra, vertebra t5, vertebrae t5; 56401006; T5 vertebra
t6 vertebra, vertebra t6, vertebrae t6; 45296009; T6 vertebra
t7 vertebra, vertebra t7, vertebrae t7; 62487009; T7 vertebra
t8 vertebra, vertebra t8, vertebrae t8; 11068009; T8 vertebra
t9 vertebra, vertebra t9, vertebrae t9; 82687006; T9 vertebra
t10 vertebra, vertebra t10, vertebrae t10; 7610001; T10 vertebra
t11 vertebra, vertebra t11, vertebrae t11; 12989004; T11 vertebra
t12 vertebra, vertebra t12, vertebrae t12; 23215003; T12 vertebra
l1 vertebra, vertebra l1, vertebrae l1; 66794005; L1 vertebra
l2 vertebra, vertebra l2, vertebrae l2; 14293000; L2 vertebra
l3 vertebra, vertebra l3, vertebrae l3; 36470004; L3 vertebra
l4 vertebra, vertebra l4, vertebrae l4; 11994002; L4 vertebra
l5 vertebra, vertebra l5, vertebrae l5; 49668003; L5 vertebra
"""
_FINDINGS = """
abscess; 44132006; Abscess
aneurysm; 85659009; aneurysm
blood clot; 75753009; Blood clot
cyst, cysts; 367643001; Cyst
edema, oedema; 79654002; Edema
embolus, emboli; 55584005; Embolus
hematoma, haematoma; 35566002; Hematoma
hemorrhage, haemorrhage, bleeding; 50960005; Hemorrhage
lesion, lesions; 52988006; Lesion
mass, masses; 4147007; Mass
metastasis, metastases; 128462008; Metastasis
necrosis; 6574001; Necrosis
nodule, nodules; 27925004; Nodule
pericardial effusion; 373945007; Pericardial effusion
pleural effusion; 60046008; Pleural effusion
pneumothorax; 36118008; Pneumothorax
scar, scar tissue; 12402003; Scar tissue
thrombus; 396339007; Thrombus
tumor, tumour, tumors, tumours, neoplasm; 108369006; Neoplasm
"""
_TISSUES = """
connective tissue; 21793004; Connective tissue
fat, adipose tissue; 55603005; Fat
soft tissue; 87784001; Soft tissue
subcutaneous tissue; 71966008; Subcutaneous tissue
"""
_SUBSTANCES = """
cerebrospinal fluid, csf; 65216001; Cerebrospinal Fluid
gas; 74947009; Gas
"""
_OBJECTS = """
catheter; 19923001; Catheter
implant; 40388003; Implant
stent; 65818007; Stent
"""


def _read(lines: str, kind: Kind) -> tuple[Structure, ...]:
    parts = [[part.strip() for part in line.split(";")] for line in lines.strip().splitlines()]
    return tuple(Structure(tuple(names.split(", ")), code, meaning, kind) for names, code, meaning in parts)


STRUCTURES = (
    *_read(_ANATOMY, "anatomy"),
    *_read(_FINDINGS, "finding"),
    *_read(_TISSUES, "tissue"),
    *_read(_SUBSTANCES, "substance"),
    *_read(_OBJECTS, "object"),
)
